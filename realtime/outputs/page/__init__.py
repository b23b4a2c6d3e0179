"""The live page: a process of its own that subscribes as anybody may, and may die or freeze."""
