"""Chilled water: cooling from flow and temperatures, and the power that it takes."""

# kW for 1 L/s of water (density 1) and 1 K: its specific heat, 4.186 kJ/(kg K).
KW_PER_LS_K = 4.186
KW_PER_RT = 3.517


def cooling_kw(flow_ls: float, supply_c: float, return_c: float) -> float:
    """Heat that chilled water takes up between leaving and coming back. [kW thermal]

    Parameters
    ----------
    flow_ls : water flow. [L/s]
    supply_c, return_c : leaving and returning temperature. [degC]

    Examples
    --------
    >>> round(cooling_kw(100.0, 7.0, 12.0), 3)
    2093.0
    """
    return KW_PER_LS_K * flow_ls * (return_c - supply_c)


def refrigeration_tons(thermal_kw: float) -> float:
    """Cooling in refrigeration tons; 1 RT is 3.517 kW. [RT]"""
    return thermal_kw / KW_PER_RT


def kw_per_rt(power_kw: float, thermal_kw: float) -> float:
    """Electric power for one ton of cooling; NaN where nothing is cooled. [kW/RT]

    Examples
    --------
    >>> round(kw_per_rt(357.3, 2093.0), 4)
    0.6004
    """
    tons = refrigeration_tons(thermal_kw)
    return power_kw / tons if tons > 0 else float("nan")
