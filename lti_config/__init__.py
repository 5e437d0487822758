"""Data for setting Tassel up in an LMS: tool configuration and guides. Shipped in the wheel."""
