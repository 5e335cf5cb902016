"""What many calls need: cores, connections, memory and quota, by the measured costs and a small simulation.

`measured` reads what a call costs, `simulation` and `service` are the simulated world, `runs` asks it, `page` writes
docs/capacity.md and `plots` draws for it.
"""
