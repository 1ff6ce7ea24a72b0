"""Pages and plots for people: the single-file HTML reports and the plots."""
