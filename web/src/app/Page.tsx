/** What every page but the trading one is made of. */
import type { ReactNode } from "react";
import classes from "./page.module.css";

export const Page = ({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }) => (
  <main className={classes.page}>
    <div className={classes.head}>
      <h1>{title}</h1>
      {right}
    </div>
    {children}
  </main>
);

export const Card = ({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }) => (
  <section className={classes.card} aria-label={title}>
    <div className={classes.cardHead}>
      <h2>{title}</h2>
      {right}
    </div>
    {children}
  </section>
);
