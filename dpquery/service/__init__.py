"""The facade: one policy opened, and who may do what with it."""

from dpquery.service.service import Service
from dpquery.service.session import Session

__all__ = ["Service", "Session"]
