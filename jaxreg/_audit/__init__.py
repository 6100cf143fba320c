"""What a ready-made optimizer does to weights, found by asking it: see `report.audit`."""
