"""The CEL types that Python lacks, and CEL's operators."""
