"""Converted expressions, made smaller without another meaning: what is known of the objects is not asked of them."""
