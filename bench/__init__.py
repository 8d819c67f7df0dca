"""Benchmarks: figures for README, never asserts in tests."""
