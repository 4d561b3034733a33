"""One thread that does one job at a time, behind an interface with an in-memory twin.

``interface.Worker`` is what the journal and the stores are given; ``thread.ThreadWorker``
is the real one, ``memory.MemoryWorker`` the single-step twin for tests and the simulation.
(The pattern of ``twisted._threads``: interface, real one, in-memory one.)
"""
