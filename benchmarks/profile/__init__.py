"""Profile of the CPU per call, for docs/profile.md.

`profiles` samples the client and the plain stub, `stacks` finds the owner of each frame, `flame_graph` draws them.
"""
