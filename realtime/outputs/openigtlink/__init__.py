"""OpenIGTLink: pictures, target, permit and alerts to 3D Slicer and its like, from a process."""
