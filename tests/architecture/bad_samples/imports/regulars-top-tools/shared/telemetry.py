import tools.house_rules
