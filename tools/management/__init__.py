"""Django commands of the development tools."""
