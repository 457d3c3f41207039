"""What runs one server program: the product's own, under the name that tests know."""

from tools.servers.server import HOST, Server, ServerFailed, ServerMissing, free_port

__all__ = ["HOST", "Server", "ServerFailed", "ServerMissing", "free_port"]
