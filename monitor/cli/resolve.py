"""A profile's points as they are read where no device says otherwise."""

from drivers.modbus_profile import Limits, ModbusProfile, RegisterPoint, register_points


def points_and_limits(profile: ModbusProfile) -> tuple[tuple[RegisterPoint, ...], Limits]:
    """Every point with everything resolved, and what the device bears."""
    return register_points(profile), profile.limits
