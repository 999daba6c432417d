"""The sockets between the parts: protocols that say what an implementation promises."""
