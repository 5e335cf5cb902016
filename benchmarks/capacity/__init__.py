"""Capacity planning: cores, connections, memory and quota for many calls, from measured costs and a simulation.

`measured` reads the costs, `simulation` drives the client's own code on `clock` against `service`, `runs` has the
experiments, `findings` the assumptions and results, `page` the tables of docs/capacity.md, `plots` its diagrams.
"""
