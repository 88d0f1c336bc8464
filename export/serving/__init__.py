"""Serving: configuration, a client and a load test."""
