"""Pictures of any size before a model of small ones: read a band of rows at a time, scored tile by tile."""
