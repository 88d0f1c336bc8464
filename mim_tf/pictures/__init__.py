"""Picture files, pixels and contact sheets."""
