"""The pure half of langwire: chunks in, events out. No IO, no clock, no event loop, nothing heavy to import."""
