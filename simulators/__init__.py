"""A fake world at the far end of the wire: Modbus and MQTT devices fed by one model of a building.

The devices are made from the same profiles as the drivers; the product never imports this package.
"""
