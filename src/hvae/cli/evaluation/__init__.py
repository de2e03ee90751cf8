"""One evaluation: what is measured, the measures in their order, what an interrupted one keeps, and how it is told."""
