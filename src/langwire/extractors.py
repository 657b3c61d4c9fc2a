"""Reads what is meant for people out of what tools did: todos, reflections, displays, and whatever you add.

Pass extractors to `stream`, `astream`, `run`, `arun` or `StreamParser`: `extractors=[*BUILT_INS, my_extractor]`.
`extractors=[]` turns extraction off.
"""

from langwire.core.built_ins import BUILT_INS as BUILT_INS
from langwire.core.built_ins import any_tool as any_tool
from langwire.core.built_ins import compression as compression
from langwire.core.built_ins import displays as displays
from langwire.core.built_ins import memory as memory
from langwire.core.built_ins import reflections as reflections
from langwire.core.built_ins import skills as skills
from langwire.core.built_ins import todos as todos
from langwire.core.extractors import ANY_TOOL as ANY_TOOL
from langwire.core.extractors import Extraction as Extraction
from langwire.core.extractors import Extractor as Extractor
from langwire.core.extractors import Extractors as Extractors
from langwire.core.extractors import FunctionExtractor as FunctionExtractor
from langwire.core.extractors import ToolUse as ToolUse
from langwire.core.extractors import extractor as extractor
