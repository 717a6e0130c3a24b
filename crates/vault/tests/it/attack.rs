//! The server, attacked with a real host's key.
