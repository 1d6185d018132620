"""Pages and pictures for people: the markup, the drawing, and how numbers are written."""
