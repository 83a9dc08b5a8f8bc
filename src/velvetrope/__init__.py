"""velvetrope: routes, and who may call them, on a laptop, on your own servers, or on AWS."""

__version__ = "0.1.0"
