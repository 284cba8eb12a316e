"""The values of expressions that Python lacks, and the operators on values."""
