"""``python -m ssd_data`` is ``ssd-data``."""

from ssd_data.cli import main

if __name__ == "__main__":
    main()
