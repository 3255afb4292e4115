"""Benchmarks of how the engine scales: the driver, planning, assembly, and a simulation of many machines."""
