"""Whether it is mastered. ``rules``, ``validity`` and ``renewal`` decide (pure), ``frameworks`` keeps
competencies."""
