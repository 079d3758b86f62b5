"""From scored tweets to the survey: the days' numbers, the chart and the page."""
