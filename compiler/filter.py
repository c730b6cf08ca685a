"""stub"""
from dataclasses import dataclass
@dataclass
class Filter: pass
def read_filter(document, diagnostics): raise NotImplementedError
