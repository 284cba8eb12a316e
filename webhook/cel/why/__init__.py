"""Why an expression has its value: explanations, and the parts of the object that decided."""
