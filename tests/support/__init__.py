"""What tests share: small data sets, nets and servers, and slow twins of what is fast."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "tests" / "golden"
