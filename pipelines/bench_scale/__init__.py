"""How the engine's own work grows: the driver, planning, assembly, and a simulation of many machines."""
