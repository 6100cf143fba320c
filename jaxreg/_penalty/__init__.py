"""The one abstraction: a penalty is data."""
