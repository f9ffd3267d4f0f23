# lies at: shared/worker/loop.py
def applied(count):
    print("applied", count)  # breaks the rule
    printer.print(count)
