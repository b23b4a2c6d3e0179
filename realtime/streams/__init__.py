"""MRD sessions: decoded, encoded, recorded, played; the scanner's clock."""
