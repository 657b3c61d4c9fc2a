"""Readers of the event stream: one face or one wire each, and none knows another."""
