"""A profile as an operator writes it, without a mistake."""

MODBUS = """\
profile: mine
version: 1
maker: M
model: M1
family: electricity
source: [manual]
transport: modbus
defaults: {table: input, addressing: one_based}
limits: {never_read: [[100, 120]]}
probe: {point: frequency, between: [45, 65]}
points:
  frequency: {address: 71, type: f32, unit: Hz, valid: [45, 65]}
  energy_import: {address: 73, type: u32, unit: Wh, scale: 100, rolls_over_at: 429496729.6}
"""
