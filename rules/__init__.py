"""The arithmetic of metering: pure functions and small frozen types.

numpy and the standard library alone. No input or output, no clock, no logging: time is an argument
and doubt is data.
"""
