"""Whether it is mastered. ``rules`` decides (pure), ``frameworks`` keeps competencies."""
