"""What several faces share, and none of them owns."""
