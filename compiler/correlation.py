"""stub"""
from dataclasses import dataclass
@dataclass
class Correlation: pass
def read_correlation(document, diagnostics): raise NotImplementedError
