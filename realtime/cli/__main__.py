"""`python -m realtime.cli`: the same as `mrmonitor`."""

from realtime.cli import main

if __name__ == "__main__":
    main(prog_name="mrmonitor")
