import { ActionIcon, Button, Menu, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Link, NavLink, Outlet } from "react-router";
import { isOperator, signOut, useSession } from "../auth/session";
import { config } from "./config";
import { IconMoon, IconSun, IconUser } from "./icons";
import classes from "./Shell.module.css";

/** The bar on top of every page: where one can go, who one is, light or dark. */
export function Shell() {
  const session = useSession();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("dark");
  const signedIn = session.status === "signed-in";
  return (
    <div className={classes.shell}>
      <a href="#page" className={classes.skip}>
        Skip to the page
      </a>
      <header className={classes.bar}>
        <Link to="/" className={classes.brand} aria-label="Lambda Exchange, home">
          <img src="/favicon.svg" alt="" width={20} height={20} />
          <span>Lambda Exchange</span>
        </Link>
        <nav className={classes.links} aria-label="Main">
          <NavLink to="/trade" className={classes.link}>
            Trade
          </NavLink>
          {signedIn && (
            <NavLink to="/wallet" className={classes.link}>
              Wallet
            </NavLink>
          )}
          {signedIn && (
            <NavLink to="/activity" className={classes.link}>
              Activity
            </NavLink>
          )}
          {signedIn && (
            <NavLink to="/settings" className={classes.link}>
              Settings
            </NavLink>
          )}
          {isOperator(session) && (
            <NavLink to="/operator" className={classes.link}>
              Operator
            </NavLink>
          )}
        </nav>
        <div className={classes.space} />
        {config().sandbox && (
          <span className={classes.stage} title="Play money only">
            Sandbox
          </span>
        )}
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={scheme === "dark" ? "Light colours" : "Dark colours"}
          onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")}
        >
          {scheme === "dark" ? <IconSun /> : <IconMoon />}
        </ActionIcon>
        {session.status === "signed-out" && (
          <>
            <Button component={Link} to="/sign-in" variant="subtle" size="xs">
              Sign in
            </Button>
            <Button component={Link} to="/sign-up" size="xs">
              Open account
            </Button>
          </>
        )}
        {signedIn && (
          <Menu position="bottom-end" withinPortal>
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={`Account of ${session.email}`}>
                <IconUser />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>{session.email}</Menu.Label>
              <Menu.Item component={Link} to="/settings">
                Security and API keys
              </Menu.Item>
              <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        )}
      </header>
      <div id="page" className={classes.body} style={{ flex: 1, minHeight: 0 }}>
        <Outlet />
      </div>
    </div>
  );
}
