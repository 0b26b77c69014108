"""`make demo`: three tasks trained small, side by side, and asked about test examples that are drawn with the truth."""
