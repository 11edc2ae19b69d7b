"""The mechanisms: calibrated noise, thresholds and error bars; the door to OpenDP."""
