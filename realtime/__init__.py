"""The shell: clocks, sockets, processes, alerts, outputs and the command line."""
