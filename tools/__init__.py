"""Development tools, never shipped: simulator, shoppers, servers, embedded, stack, chaos."""
