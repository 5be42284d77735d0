"""The proof that nothing is lost: an oracle of what was acknowledged, and faults of every kind in between.

``oracle`` tells a second time, from the documents alone, what the store and the servers must hold; ``core``
is the daemon's own parts in a process that may die at any instant; ``schedule`` draws what happens to them.
"""
