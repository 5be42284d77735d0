"""How the world is reached: the driver contract, Modbus, MQTT, decoding and device profiles.

Drivers own the models of their settings and never read a file: ``config`` hands them finished objects.
"""
