"""Edits of rule files that mend a finding where there is one right answer, and leave what the rule means as it is."""
